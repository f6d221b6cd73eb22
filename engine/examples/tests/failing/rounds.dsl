Feature: Recursions without an end

  Scenario: Counted around a circle
    @source(name=hops, type=file, path="hops.jsonl", contract=Around@1)
    @step(name=Paths)
      @do select a, b, 1 as paths
      @do iterate paths = sum(paths) by a, b at most 12 rounds
      @do join hops on hops.a = Paths.b
      @do select Paths.a, hops.b, Paths.paths
    @sink(type=blackhole)

    Examples: one more path in each round
      Given hops
        | a | b |
        | 1 | 2 |
        | 2 | 1 |
      Then Paths is empty

Contract: Around version 1
  | field | type  | rules    |
  | a     | int64 | required |
  | b     | int64 | required |
