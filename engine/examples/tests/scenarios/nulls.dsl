Feature: Nulls

  Scenario: Nulls in groups and aggregates
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=PerSensor)
      @do   aggregate lines = count(*), n = count(value), total = sum(value), low = min(value)
              by sensor
              in tumbling(1m)
    @step(name=High, from=readings)
      @when value > 3
    @sink(type=blackhole, from=PerSensor)
    @sink(name=high, type=blackhole, from=High)

    Examples: null is a group of its own, is not counted, and is not greater than anything
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | a      |       | 2026-01-01T00:00:01Z |
        |        | 4     | 2026-01-01T00:00:02Z |
        |        |       | 2026-01-01T00:00:03Z |
        | ""     | 8     | 2026-01-01T00:00:04Z |
        | b      |       | 2026-01-01T00:00:05Z |
      When the input ends
      Then PerSensor is
        | sensor | lines | n | total | low |
        | a      | 2     | 1 | 1     | 1   |
        |        | 2     | 1 | 4     | 4   |
        | ""     | 1     | 1 | 8     | 8   |
        | b      | 1     | 0 |       |     |
      And High is
        | sensor | value |
        |        | 4     |
        | ""     | 8     |
