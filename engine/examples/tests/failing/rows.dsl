Feature: Rows that are not as expected

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)

  Scenario: Readings per minute
    @step(name=PerMinute)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              in tumbling(1m)
    @sink(type=blackhole)

    Examples: a cell differs, a row is missing, another was not expected
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | b      | 2     | 2026-01-01T00:00:10Z |
        | b      | 3     | 2026-01-01T00:00:20Z |
        | d      | 4     | 2026-01-01T00:00:30Z |
      When the input ends
      Then PerMinute is
        | sensor | n | total | window_start         |
        | a      | 2 | 1     | 2026-01-01T00:00:00Z |
        | b      | 2 | 5     | 2026-01-01T00:00:00Z |
        | c      | 7 | 9     | 2026-01-01T07:00:00Z |

    Examples: the window is still open
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
      Then PerMinute contains
        | sensor | n |
        | a      | 1 |
      And the watermark of PerMinute is 2026-01-01T00:01:00Z

    Examples: rows where none should be
      Given readings
        | sensor | value | at                   |
        |        | 1     | 2026-01-01T00:00:00Z |
        | ""     | 1     | 2026-01-01T00:00:00Z |
      When the input ends
      Then PerMinute is empty

    Examples: rejected rows are told where they may be the reason
      Given readings
        | sensor | value | at                   |
        | a      | one   | 2026-01-01T00:00:00Z |
      When the input ends
      Then PerMinute is
        | sensor | n |
        | a      | 1 |

    Examples: a watermark that never was
      Then the watermark of readings is 2026-01-01T00:01:00Z

    Examples: a golden file that is not there
      Then PerMinute is file "missing.jsonl"
