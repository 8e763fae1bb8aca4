#!/bin/sh
mkdir -p /run /var/lib/nginx
