Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do split big amount > 100, rest otherwise
    @sink(type=stdout)
