Feature: Cumulating windows

  Background:
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)

  Scenario: The minute so far
    @step(name=SoFar)
      @do   aggregate n = count(*), total = sum(value)
              by sensor
              in cumulating(1m, every 20s)
    @sink(type=blackhole)

    Examples: windows that begin together grow step by step
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:05Z |
        | a      | 2     | 2026-01-01T00:00:25Z |
        | a      | 4     | 2026-01-01T00:00:59Z |
        | a      | 8     | 2026-01-01T00:01:01Z |
      When the input ends
      Then SoFar is
        | sensor | n | total | window_start         | window_end           |
        | a      | 1 | 1     | 2026-01-01T00:00:00Z | 2026-01-01T00:00:20Z |
        | a      | 2 | 3     | 2026-01-01T00:00:00Z | 2026-01-01T00:00:40Z |
        | a      | 3 | 7     | 2026-01-01T00:00:00Z | 2026-01-01T00:01:00Z |
        | a      | 1 | 8     | 2026-01-01T00:01:00Z | 2026-01-01T00:01:20Z |
        | a      | 1 | 8     | 2026-01-01T00:01:00Z | 2026-01-01T00:01:40Z |
        | a      | 1 | 8     | 2026-01-01T00:01:00Z | 2026-01-01T00:02:00Z |
