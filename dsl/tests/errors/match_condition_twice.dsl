Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match small then large where small is amount < 1, small is status = 'x'
    @sink(type=stdout)
