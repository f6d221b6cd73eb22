Step: Recent(horizon, slide = 10, kept = 7d)
  @do aggregate n = count(*) by card in hopping(${horizon}, every ${slide})
  @do aggregate m = count(*) keep state for ${kep}

Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Recent, horizon=5)
    @step(name=Again, use=Recent, horizon=0s, slide=1m)
    @step(name=Fine, use=Recent, horizon=5m, slide=1m)
    @step(name=Outside, use=Recent, horizon=${env.HORIZON}, slide=1m)
    @sink(type=stdout)
