Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match small{5,2} then large within 5m
    @sink(type=stdout)
