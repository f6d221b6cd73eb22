Feature: Processing time
  The clock of an example begins at 2000-01-01T00:00:00Z and moves only where the example says so.

  Scenario: Arrivals per minute
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Arrivals)
      @do   aggregate n = count(*)
              by sensor
              in tumbling(1m) on processing time
    @sink(type=blackhole)

    Examples: rows count when they come, whatever time they bear
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:00Z |
        | a      | 1999-01-01T00:00:00Z |
      When time passes 30s
      Given readings
        | sensor | at                   |
        | a      | 2026-01-01T00:00:00Z |
      When time passes 29s
      Then Arrivals is empty
      When time passes 1s
      Then Arrivals is
        | sensor | n | window_start         | window_end           |
        | a      | 3 | 2000-01-01T00:00:00Z | 2000-01-01T00:01:00Z |
      Given readings
        | sensor | at                   |
        | b      | 2026-01-01T00:00:00Z |
      When time passes 1m
      Then Arrivals contains
        | sensor | n | window_start         |
        | b      | 1 | 2000-01-01T00:01:00Z |
