Feature: Changelogs are compared by their key

  Scenario: Totals
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Total)
      @do   aggregate n = count(*), total = sum(value) by sensor emit on change
    @sink(type=blackhole, key=sensor)

    Examples: the row of a key differs in everything else
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
        | b      | 1     | 2026-01-01T00:00:00Z |
      Then Total is
        | n | total | sensor |
        | 5 | 6     | a      |
        | 1 | 1     | b      |

    Examples: one worker is as good as four
      Given 4 workers
      And readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:00Z |
      Then Total is
        | sensor | n |
        | b      | 1 |

  Scenario: A demand that stops everything
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Small)
      @then value < 10 otherwise fail
    @sink(type=blackhole)

    Examples: the scenario stops
      Given readings
        | sensor | value | at                   |
        | a      | 10    | 2026-01-01T00:00:00Z |
      Then Small is empty
