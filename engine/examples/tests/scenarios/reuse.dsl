Feature: Reusable steps

  Scenario: A step from elsewhere
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Checked, domain=checks, use=Positive, column=value)
    @step(name=Strict, domain=checks, use=Positive, column=value, least=10)
    @sink(type=blackhole)

    Examples: each use has its own arguments
      Given readings
        | sensor | value | at                   |
        | a      | 0     | 2026-01-01T00:00:00Z |
        | b      | 10    | 2026-01-01T00:00:01Z |
        | c      | 11    | 2026-01-01T00:00:02Z |
      Then Checked is
        | sensor |
        | b      |
        | c      |
      And Strict is
        | sensor |
        | c      |
      And rejected is
        | step    | position |
        | Checked | 1        |
        | Strict  | 2        |

  Scenario: Durations as parameters
    @source(name=readings, type=file, path="readings.jsonl", contract=Reading@1)
    @step(name=Counted, domain=checks, size=2m, slide=1m, from=readings)
    @step(name=Short, domain=checks, use=Counted, size=1m, from=readings)
    @step(name=Near, domain=checks, other=readings, around=10s, from=readings)
    @sink(type=blackhole, from=Counted)
    @sink(name=Two, type=blackhole, from=Short)
    @sink(name=Three, type=blackhole, from=Near)

    Examples: each use has its own windows
      Given readings
        | sensor | value | at                   |
        | a      | 1     | 2026-01-01T00:00:30Z |
        | a      | 2     | 2026-01-01T00:01:15Z |
        | a      | 3     | 2026-01-01T00:01:20Z |
      When the input ends
      Then Counted is
        | n | window_end           |
        | 1 | 2026-01-01T00:01:00Z |
        | 3 | 2026-01-01T00:02:00Z |
        | 2 | 2026-01-01T00:03:00Z |
      And Short is
        | n | window_end           |
        | 1 | 2026-01-01T00:01:00Z |
        | 2 | 2026-01-01T00:02:00Z |
      And Near is
        | value | near |
        | 1     | 1    |
        | 2     | 2    |
        | 2     | 3    |
        | 3     | 2    |
        | 3     | 3    |
