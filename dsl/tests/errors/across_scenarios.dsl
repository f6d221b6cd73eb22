Feature: Shops
  Background:
    @source(name=orders, type=file, path="orders.json")

  Scenario: Big orders
    @source(name=limits, type=file, path="limits.json")
    @step(name=Big, from=orders)
      @when amount > 100
    @step(name=Limited, from=limits)
      @when amount > 100
    @step(name=Vague)
      @when amount > 100

  Scenario: Unknown step
    @step(name=Found, from="Big orders.Bigg")
      @when amount > 1000
    @sink(type=stdout)

  Scenario: Same name
    @step(name=Big, from="Big orders.Big")
      @when amount > 1000
    @sink(type=stdout)

  Scenario: Another source of that name
    @source(name=limits, type=file, path="others.json")
    @step(name=Found, from="Big orders.Limited")
      @when amount > 1000
    @sink(type=stdout)

  Scenario: In a circle
    @step(name=One, from="In a circle too.Two")
      @when amount > 1000
    @sink(type=stdout)

  Scenario: In a circle too
    @step(name=Two, from="In a circle.One")
      @when amount > 1000
    @sink(type=stdout)
