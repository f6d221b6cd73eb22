Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big, use=ValidateSIN, column=sin)
      @when amount > 100
    @sink(type=stdout)
