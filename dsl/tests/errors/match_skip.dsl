Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match small then large after match skip to end
    @sink(type=stdout)
