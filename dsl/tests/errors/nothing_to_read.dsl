Feature: Orders
  Scenario: One
    @step(name=Big)
      @when amount > 100
    @sink(type=stdout)

  Scenario: Two
    @sink(type=stdout)
