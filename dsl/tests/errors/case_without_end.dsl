Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do set size = case when amount > 10 then 'big' else 'small'
    @sink(type=stdout)
