Feature: Hopping windows

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)

  Scenario: The last minute, every twenty seconds
    @step(name=LastMinute)
      @do   aggregate n = count(*), highest = max(value)
              by sensor
              in hopping(1m, every 20s)
    @sink(type=blackhole)

    Examples: a row is in every window that covers it
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:05Z |
        | a      | 9     | 2026-01-01T00:00:25Z |
      When the input ends
      Then LastMinute is
        | sensor | n | highest | window_start         | window_end           |
        | a      | 1 | 1       | 2025-12-31T23:59:20Z | 2026-01-01T00:00:20Z |
        | a      | 2 | 9       | 2025-12-31T23:59:40Z | 2026-01-01T00:00:40Z |
        | a      | 2 | 9       | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
        | a      | 1 | 9       | 2026-01-01T00:00:20Z | 2026-01-01T00:01:20Z |

    Examples: windows close one after the other
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:05Z |
      When the watermark reaches 2026-01-01T00:00:20Z
      Then LastMinute is
        | window_end           |
        | 2026-01-01T00:00:20Z |
      When the watermark reaches 2026-01-01T00:00:59Z
      Then LastMinute is
        | window_end           |
        | 2026-01-01T00:00:20Z |
        | 2026-01-01T00:00:40Z |

    Examples: a row is late only when all of its windows have closed
      Given readings
        | sensor | value | at                   |
        | b      | 1     | 2026-01-01T00:00:30Z |
      When the watermark reaches 2026-01-01T00:00:50Z
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:05Z |
        | a      | 2     | 2025-12-31T23:59:45Z |
      Then rejected is
        | reason | step       | position |
        | late   | LastMinute | 3        |
      When the input ends
      Then LastMinute contains
        | sensor | n | window_end           |
        | a      | 1 | 2026-01-01T00:01:00Z |
