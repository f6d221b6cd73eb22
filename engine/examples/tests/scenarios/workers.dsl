Feature: Workers

  Scenario: Many groups on many workers
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Minute)
      @do   aggregate n = count(*), total = sum(value) by sensor in tumbling(1m)
    @step(name=All)
      @do   aggregate sensors = count(*), total = sum(total) in tumbling(1m)
    @sink(type=blackhole)

    Examples: five workers come to what one comes to
      Given 5 workers
      And readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | b      | 2     | 2026-01-01T00:00:01Z |
        | c      | 3     | 2026-01-01T00:00:02Z |
        | d      | 4     | 2026-01-01T00:00:03Z |
      And readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | e      | 5     | 2026-01-01T00:00:01Z |
        | f      | 6     | 2026-01-01T00:00:02Z |
      When the input ends
      Then All is
        | sensors | total |
        | 6       | 22    |
      And Minute contains
        | sensor | n | total |
        | a      | 2 | 2     |
        | f      | 1 | 6     |
