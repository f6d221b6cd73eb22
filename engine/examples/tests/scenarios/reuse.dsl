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
