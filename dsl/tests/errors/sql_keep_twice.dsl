Feature: F
  Scenario: S
    @source(name=orders, type=file, path="o")
    @step(name=A)
      @do sql """select * from orders""" keep for ever keep state for 7d
    @sink(type=stdout)
