Feature: Late rows

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=5s)

  Scenario: Late is late
    @step(name=PerMinute)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1m)
    @sink(type=blackhole)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: the source's lateness keeps windows open that long
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:10Z |
        | a      | 2026-01-01T00:01:04Z |
      And readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:50Z |
      Then PerMinute is empty
      And the watermark of PerMinute is 2026-01-01T00:00:59Z
      Given readings
        | sensor | at                   |
        | b      | 2026-01-01T00:01:05Z |
      Then PerMinute is
        | sensor | n |
        | a      | 2 |
      And rejected is empty

    Examples: a row whose window has closed is rejected, with its position
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:10Z |
        | a      | 2026-01-01T00:02:00Z |
      And readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:50Z |
        | a      | 2026-01-01T00:01:58Z |
      Then rejected is
        | reason | step      | source   | position |
        | late   | PerMinute | readings | 3        |
      When the input ends
      Then PerMinute is
        | sensor | n | window_start         |
        | a      | 1 | 2026-01-01T00:00:00Z |
        | a      | 1 | 2026-01-01T00:01:00Z |
        | a      | 1 | 2026-01-01T00:02:00Z |

    Examples: in the epoch in which its window closes a row is not late
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:02:00Z |
        | a      | 2026-01-01T00:00:50Z |
      Then PerMinute is
        | sensor | n | window_start         |
        | a      | 1 | 2026-01-01T00:00:00Z |
      And rejected is empty

  Scenario: Corrections
    @step(name=PerMinute)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              in tumbling(1m)
              allowed lateness 2m
    @sink(type=blackhole)

    Examples: a late row corrects a result that has gone out
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
      When the watermark reaches 2026-01-01T00:01:00Z
      Then PerMinute is
        | sensor | n | total |
        | a      | 1 | 1     |
      Given readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:20Z |
        | b      | 5     | 2026-01-01T00:00:30Z |
      Then PerMinute is
        | sensor | n | total |
        | a      | 2 | 3     |
        | b      | 1 | 5     |
      And rejected is empty

    Examples: beyond the allowed lateness it is rejected
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
      When the watermark reaches 2026-01-01T00:03:00Z
      Given readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:20Z |
      Then PerMinute is
        | sensor | n | total |
        | a      | 1 | 1     |
      And rejected is
        | reason | step      | position |
        | late   | PerMinute | 2        |
