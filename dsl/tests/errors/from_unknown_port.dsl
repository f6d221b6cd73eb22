Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Parts)
      @do split big when amount > 100, small otherwise
    @step(name=Big, from=Parts.bgi)
      @when amount > 1000
    @step(name=More, from=Big.x)
      @when amount > 1000
    @sink(type=stdout)
