Feature: F
  Scenario: S
    @source(name=orders, type=file, path="o")
    @step(name=A)
      @do sql """select * from orders""" emit on close
    @sink(type=stdout)
