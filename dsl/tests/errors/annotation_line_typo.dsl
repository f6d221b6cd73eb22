Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @wen amount > 100
      @set total = amount * 2
      @where amount > 100
    @sink(type=stdout)
