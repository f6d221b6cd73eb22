Feature: Session windows

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1, lateness=1m)

  Scenario: Bursts of one sensor
    @step(name=Burst)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              in session(10s)
    @sink(type=blackhole)

    Examples: a gap ends a session
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T00:00:09Z |
        | a      | 4     | 2026-01-01T00:00:20Z |
        | b      | 8     | 2026-01-01T00:00:12Z |
      When the input ends
      Then Burst is
        | sensor | n | total | window_start         | window_end           |
        | a      | 2 | 3     | 2026-01-01T00:00:00Z | 2026-01-01T00:00:19Z |
        | a      | 1 | 4     | 2026-01-01T00:00:20Z | 2026-01-01T00:00:30Z |
        | b      | 1 | 8     | 2026-01-01T00:00:12Z | 2026-01-01T00:00:22Z |

    Examples: a row between two sessions makes one of them
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      | 2     | 2026-01-01T00:00:16Z |
      And readings
        | sensor | value | at                   |
        | a      | 4     | 2026-01-01T00:00:08Z |
      When the watermark reaches 2026-01-01T00:00:26Z
      Then Burst is
        | sensor | n | total | window_start         | window_end           |
        | a      | 3 | 7     | 2026-01-01T00:00:00Z | 2026-01-01T00:00:26Z |

    Examples: a closed session does not open again
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
      When the watermark reaches 2026-01-01T00:00:30Z
      Then Burst is
        | sensor | n |
        | a      | 1 |
      Given readings
        | sensor | value | at                   |
        | a      | 2     | 2026-01-01T00:00:05Z |
        | a      | 4     | 2026-01-01T00:00:29Z |
      When the input ends
      Then Burst is
        | sensor | n | total |
        | a      | 1 | 1     |
        | a      | 1 | 4     |
      And rejected is
        | reason | step  | position |
        | late   | Burst | 2        |
