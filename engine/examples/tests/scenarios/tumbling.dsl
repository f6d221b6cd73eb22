Feature: Tumbling windows

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)

  Scenario: Readings per minute
    @step(name=PerMinute)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              in tumbling(1m)
    @sink(type=blackhole)

    Examples: a window closes when the watermark reaches its end, and not before
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T00:00:59Z |
        | b      | 5     | 2026-01-01T00:00:30Z |
      When the watermark of readings reaches 2026-01-01T00:00:59.999Z
      Then PerMinute is empty
      When the watermark of readings reaches 2026-01-01T00:01:00Z
      Then PerMinute is
        | sensor | n | total | window_start         | window_end           |
        | a      | 2 | 3     | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
        | b      | 1 | 5     | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
      And rejected is empty

    Examples: the rows themselves carry the watermark on
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
      And readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:01:10Z |
      Then the watermark of PerMinute is 2026-01-01T00:01:10Z
      And PerMinute is
        | sensor | total |
        | a      | 1     |

    Examples: a row on the edge belongs to the window that it begins
      Given readings
        | sensor | value | at                       |
        | a      | 1     | 2026-01-01T00:00:59.999Z |
        | a      | 2     | 2026-01-01T00:01:00Z     |
      When the watermark reaches 2026-01-01T00:02:00Z
      Then PerMinute is
        | sensor | total | window_start         |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T00:01:00Z |

    Examples: when the input ends, every window closes
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:10Z |
        | a      | 2     | 2026-01-01T03:00:10Z |
      When the input ends
      Then PerMinute is
        | sensor | total | window_start         |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T03:00:00Z |

  Scenario: Shifted days
    The day begins at six.

    @step(name=PerDay)
      @do   aggregate n = count(*) in tumbling(1d) offset 6h
    @sink(type=blackhole)

    Examples: windows begin where the offset says
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T05:59:59Z |
        | a      | 2026-01-01T06:00:00Z |
        | b      | 2026-01-02T05:00:00Z |
      When the input ends
      Then PerDay is
        | n | window_start         | window_end           |
        | 1 | 2025-12-31T06:00:00Z | 2026-01-01T06:00:00Z |
        | 2 | 2026-01-01T06:00:00Z | 2026-01-02T06:00:00Z |
