Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when amount > 100
    @step(name=Small, from=orders)
      @when amount < 100
    @sink(type=stdout)
