Feature: Sessions that are corrected

  Scenario: Bursts with lateness
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Burst)
      @do   aggregate n = count(*)
              by sensor
              in session(10s)
              allowed lateness 1m
    @sink(type=blackhole, key=[sensor, window_start])

    Examples: two closed sessions become one
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:00Z |
        | a      | 2026-01-01T00:00:16Z |
      When the watermark reaches 2026-01-01T00:00:30Z
      Then Burst is
        | sensor | n | window_start         | window_end           |
        | a      | 1 | 2026-01-01T00:00:00Z | 2026-01-01T00:00:10Z |
        | a      | 1 | 2026-01-01T00:00:16Z | 2026-01-01T00:00:26Z |
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:08Z |
      Then Burst is
        | sensor | n | window_start         | window_end           |
        | a      | 3 | 2026-01-01T00:00:00Z | 2026-01-01T00:00:26Z |
      And rejected is empty
