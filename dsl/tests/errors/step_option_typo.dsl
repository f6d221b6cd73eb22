Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big, form=orders)
      @when amount > 100
    @sink(type=stdout)
