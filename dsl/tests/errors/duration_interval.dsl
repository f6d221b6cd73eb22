Step: Near(before, after)
  @do join others on others.id = orders.id within -${before} to -${after}

Feature: Orders
  Scenario: Near ones
    @source(name=orders, type=file, path="orders.json")
    @source(name=others, type=file, path="others.json")
    @step(name=Near, before=10m, after=5m)
    @step(name=Wrong, use=Near, before=5m, after=10m, from=orders)
    @sink(type=stdout)
