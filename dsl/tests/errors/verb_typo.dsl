Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do agregate n = count(*) by customer
    @sink(type=stdout)
