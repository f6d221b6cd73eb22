Feature: Aggregates

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)

  Scenario: Many of them at once
    @step(name=Minute)
      @do   aggregate
              n = count(*),
              sensors = count(distinct sensor),
              high = count(*) filter (where value >= 5),
              low = min(value),
              top = max(value),
              mean = avg(value),
              middle = median(value),
              any_high = bool_or(value > 8),
              latest = last_value(value order by at),
              share = cast(sum(value) as double) / count(*)
              in tumbling(1m)
    @sink(type=blackhole)

    Examples: distinct, filtered and ordered ones, and sums of them
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:30Z |
        | a      | 9     | 2026-01-01T00:00:10Z |
        | b      | 5     | 2026-01-01T00:00:20Z |
      When the input ends
      Then Minute is
        | n | sensors | high | low | top | mean | middle | any_high | latest | share |
        | 3 | 2       | 2    | 1   | 9   | 5    | 5      | true     | 1      | 5     |

  Scenario: Keys may be computed
    @step(name=ByParity)
      @do   aggregate n = count(*)
              by parity = value % 2, first = left(sensor, 1)
              in tumbling(1m)
              having n > 1
    @sink(type=blackhole)

    Examples: groups are formed by the values of expressions
      Given readings
        | sensor | value | at                   |
        | alpha  | 1     | 2026-01-01T00:00:10Z |
        | abel   | 3     | 2026-01-01T00:00:20Z |
        | beta   | 5     | 2026-01-01T00:00:30Z |
        | able   | 2     | 2026-01-01T00:00:40Z |
      When the input ends
      Then ByParity is
        | parity | first | n |
        | 1      | a     | 2 |

  Scenario: Windows of windows
    @step(name=Minute)
      @do   aggregate n = count(*) by sensor in tumbling(1m)
    @step(name=Hour)
      @do   aggregate minutes = count(*), busiest = max(n) by sensor in tumbling(1h)
    @sink(type=blackhole)

    Examples: a minute's result belongs to the hour in which it lies, the last one too
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:10Z |
        | a      | 2026-01-01T00:00:20Z |
        | a      | 2026-01-01T00:59:30Z |
        | a      | 2026-01-01T01:00:00Z |
      When the watermark reaches 2026-01-01T01:00:00Z
      Then Hour is
        | sensor | minutes | busiest | window_end           |
        | a      | 2       | 2       | 2026-01-01T01:00:00Z |

  Scenario: Sums do not wrap
    @step(name=Sum)
      @do   aggregate total = sum(value) by sensor in tumbling(1m)
    @sink(type=blackhole)

    Examples: a sum that does not fit its type is rejected, whatever order its rows came in
      Given readings
        | sensor | value               | at                   |
        | a      | 9223372036854775807 | 2026-01-01T00:00:10Z |
        | a      | 1                   | 2026-01-01T00:00:20Z |
        | b      | 1                   | 2026-01-01T00:00:20Z |
      When the input ends
      Then Sum is
        | sensor | total |
        | b      | 1     |
      And rejected is
        | reason     | step | position |
        | expression | Sum  |          |
