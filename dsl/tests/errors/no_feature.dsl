@step(name=Big)
  @when amount > 100
