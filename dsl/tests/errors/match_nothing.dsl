Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match
    @sink(type=stdout)
