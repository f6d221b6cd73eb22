Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @then at lest 1000 rows per 1h
    @sink(type=stdout)
