Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big, from=oders)
      @when amount > 100
      @do join Ratess on a = b
    @sink(type=stdout, from=Bigg)
