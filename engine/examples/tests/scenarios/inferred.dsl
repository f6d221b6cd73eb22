Feature: Sources without a contract

  Scenario: Types by the look of the cells
    @source(name=things, type=file, path="things.jsonl")
    @step(name=Seen)
      @when weight > 1.5 and made >= '2026-01-01'
      @do   set pieces = count + 1
    @sink(type=blackhole)

    Examples: numbers, texts and times are told apart
      Given things
        | name | count | weight | made                 |
        | nut  | 1     | 2      | 2026-01-01T00:00:00Z |
        | bolt | 2     | 1.5    | 2026-01-01T00:00:00Z |
        | 007  |       | 3.25   | 2026-01-02T00:00:00Z |
      Then Seen is
        | name | count | pieces |
        | nut  | 1     | 2      |
        | 007  |       |        |
