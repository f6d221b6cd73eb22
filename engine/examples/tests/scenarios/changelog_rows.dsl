Feature: Row operations on changelogs

  Scenario: Only large totals
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Large)
      @do   aggregate total = sum(value)
              by sensor
              having total > 10
              emit on change
              keep for ever
      @do   set doubled = total * 2
    @sink(type=blackhole, key=sensor)

    Examples: a key comes and goes with its condition
      Given readings
        | sensor | value | at                   |
        | a      | 9     | 2026-01-01T00:00:00Z |
        | b      | 11    | 2026-01-01T00:00:00Z |
      Then Large is
        | sensor | total | doubled |
        | b      | 11    | 22      |
      Given readings
        | sensor | value | at                   |
        | a      | 9     | 2026-01-01T00:00:01Z |
        | b      | -5    | 2026-01-01T00:00:01Z |
      Then Large is
        | sensor | total | doubled |
        | a      | 18    | 36      |
      Given readings
        | sensor | value | at                   |
        | a      | -18   | 2026-01-01T00:00:02Z |
      Then Large is empty
