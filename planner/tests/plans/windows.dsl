Feature: Windows
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@1, lateness=5s, idle=2s, advance_when_idle=false)

  Scenario: Windows of every shape, and windows of windows
    @step(name=PerMinute)
      @do aggregate n = count(*), big = count(*) filter (where amount > 100), cards = count(distinct card_id),
                    mean = sum(amount) / count(*), last = last_value(status order by paid_at),
                    spread = max(amount * 2) - min(amount * 2), half = approx_percentile_cont(amount, 0.5)
            by kind = upper(status)
            in tumbling(1m) offset 10s
            having n > 1 and window_end > '2026-01-01'
    @step(name=PerHour)
      @do aggregate n = sum(n) by kind in hopping(1h, every 5m)
    @step(name=Sessions, from=payments)
      @do aggregate n = count(*) by card_id in session(30s)
    @step(name=SoFar, from=payments)
      @do aggregate n = count(*) in cumulating(1d, every 1h) emit every 10s and on close
    @step(name=ByClock, from=payments)
      @do aggregate n = count(*) in tumbling(10s) on processing time
    @step(name=Corrected, from=payments)
      @do aggregate n = count(*) by card_id in tumbling(1m) allowed lateness 2m
      @do rename card_id to card, window_end to until
    @sink(type=stdout, from=PerHour)
    @sink(type=stdout, from=Sessions)
    @sink(type=stdout, from=SoFar)
    @sink(type=stdout, from=ByClock)
    @sink(type=topic, topic="out", from=Corrected)

Contract: Payment version 1
  | field   | type           | rules                |
  | card_id | string         | required             |
  | status  | string         |                      |
  | amount  | decimal(12, 2) |                      |
  | paid_at | timestamp(ms)  | required, event time |
