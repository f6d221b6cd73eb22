Feature: Payments
  Background:
    @source(name=found, type=file, path="x.parquet")

  Scenario: A mistake
    @step(name=A)
      @do aggregate n = count(*) in tumbling(1m)
    @sink(type=stdout)
