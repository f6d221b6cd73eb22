Feature: When results go out

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=1h)

  Scenario: Totals as they change
    @step(name=Total)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              emit on change
              keep for ever
    @sink(type=blackhole, key=sensor)

    Examples: every round shows the newest totals
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T00:00:01Z |
        | b      | 5     | 2026-01-01T00:00:02Z |
      Then Total is
        | sensor | n | total |
        | a      | 2 | 3     |
        | b      | 1 | 5     |
      Given readings
        | sensor | value | at                   |
        | a      | -3    | 2026-01-01T00:00:03Z |
      Then Total is
        | sensor | n | total |
        | a      | 3 | 0     |
        | b      | 1 | 5     |

  Scenario: Early results of a window
    @step(name=Minute)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1m)
              emit on change
    @sink(type=blackhole, key=sensor)

    Examples: a window shows itself before it closes, and stays when it has
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:00Z |
      Then Minute is
        | sensor | n | window_end           |
        | a      | 1 | 2026-01-01T00:01:00Z |
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:30Z |
        | a      | 2026-01-01T00:01:30Z |
      Then Minute is
        | sensor | n | window_end           |
        | a      | 2 | 2026-01-01T00:01:00Z |
        | a      | 1 | 2026-01-01T00:02:00Z |
      When the watermark reaches 2026-01-01T00:01:00Z
      Then Minute is
        | sensor | n | window_end           |
        | a      | 2 | 2026-01-01T00:01:00Z |
        | a      | 1 | 2026-01-01T00:02:00Z |

  Scenario: Now and then
    @step(name=Hour)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1h)
              emit every 10m
    @sink(type=blackhole, key=sensor)

    Examples: a window's last result is the whole one
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:00Z |
        | a      | 2026-01-01T00:15:00Z |
      When the watermark reaches 2026-01-01T00:30:00Z
      Then Hour is
        | sensor | n |
        | a      | 2 |
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:31:00Z |
      When the watermark reaches 2026-01-01T01:00:00Z
      Then Hour is
        | sensor | n |
        | a      | 3 |

  Scenario: Once, at the end
    @step(name=All)
      @do   aggregate n = count(*), total = sum(value)
              emit on close
    @sink(type=blackhole)

    Examples: without a window the end of the input closes
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | b      | 2     | 2026-01-01T00:00:01Z |
      When the watermark reaches 2026-02-01T00:00:00Z
      Then All is empty
      When the input ends
      Then All is
        | n | total |
        | 2 | 3     |
