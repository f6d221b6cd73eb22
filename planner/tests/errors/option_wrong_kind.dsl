Feature: Payments
  Background:
    @source(name=t, type=tick, rate=fast, count=-1, every=10)

  Scenario: A mistake
    @sink(type=stdout)
