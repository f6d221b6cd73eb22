Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when status = new customer
    @sink(type=stdout)
