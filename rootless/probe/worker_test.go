package probe

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// play runs a worker over a list of outcomes, one a check, in a bubble of its own time, and returns what it did and when.
func play(t *testing.T, c Config, outcomes string, length time.Duration) (log []string) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		note := func(what string) { log = append(log, time.Since(began).String()+" "+what) }
		next := 0
		c.Check = func(context.Context) Outcome {
			o := byte('.')
			if next < len(outcomes) {
				o = outcomes[next]
			}
			next++
			switch o {
			case 'b':
				return Outcome{Text: "bad"}
			case 'e':
				return Outcome{Err: errors.New("error")}
			}
			return Outcome{Good: true}
		}
		c.Tell = func(o Outcome) {
			if o.Err != nil {
				note(o.Err.Error())
			} else {
				note(o.Text)
			}
		}
		c.Changed = func(success bool) {
			if success {
				note("success")
			} else {
				note("failure")
			}
		}
		w := Start(c)
		time.Sleep(length)
		synctest.Wait()
		w.Stop()
	})
	return log
}

func TestWorker(t *testing.T) {
	second := time.Second
	for _, test := range []struct {
		name     string
		config   Config
		outcomes string
		want     []string
	}{
		{"readiness comes and goes", Config{Delay: 2 * second, Period: 10 * second, Successes: 2, Limit: 3}, "..bbbb...",
			[]string{"12s success", "22s bad", "32s bad", "42s bad", "42s failure", "52s bad", "1m12s success"}},
		{"what is known is no news", Config{Period: 10 * second, Successes: 1, Limit: 3, Success: true, UntilFailure: true}, "....", nil},
		{"an error does not count", Config{Period: second, Successes: 1, Limit: 2, Success: true, UntilFailure: true}, "beb.",
			[]string{"0s bad", "1s error", "2s bad", "2s failure"}},
		{"a failure in between starts anew", Config{Period: second, Successes: 1, Limit: 2, Success: true}, "b.b.b.", []string{"0s bad", "2s bad", "4s bad"}},
		{"a startup probe has one verdict", Config{Period: second, Successes: 1, Limit: 3, Once: true}, "bbb...", []string{"0s bad", "1s bad", "2s bad", "2s failure"}},
		{"early checks", Config{Period: 10 * second, Successes: 1, Limit: 3, Eager: true}, "bbb.bbb", []string{"700ms success", "10.7s bad", "20.7s bad", "30.7s bad", "30.7s failure", "40.7s success"}},
		{"early checks that fail are not told of", Config{Delay: second, Period: second, Successes: 1, Limit: 2, Eager: true, Once: true}, "bbbbbbbbb",
			[]string{"2s bad", "3s bad", "3s failure"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := play(t, test.config, test.outcomes, 75*second)
			if len(got) != len(test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("got %q, want %q", got[i], test.want[i])
				}
			}
		})
	}
}

// TestStop: nothing is told after Stop has returned, and a check under way is given up.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := false
		given := false
		w := Start(Config{Period: time.Second, Successes: 1, Limit: 1, Tell: func(Outcome) { told = true }, Changed: func(bool) { told = true },
			Check: func(ctx context.Context) Outcome {
				<-ctx.Done()
				given = true
				return Outcome{Text: "late"}
			}})
		synctest.Wait()
		w.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if told || !given {
			t.Errorf("told %v, given up %v", told, given)
		}
	})
}

// BenchmarkWorker is what a check costs besides the check itself.
func BenchmarkWorker(b *testing.B) {
	done := make(chan struct{})
	left := b.N
	w := Start(Config{Period: time.Nanosecond, Successes: 1, Limit: 1, Success: true, Check: func(context.Context) Outcome {
		if left--; left == 0 {
			close(done)
		}
		return Outcome{Good: true}
	}, Tell: func(Outcome) {}, Changed: func(bool) {}})
	<-done
	w.Stop()
}
