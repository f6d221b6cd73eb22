Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match small{2,3 then large within 5m
    @sink(type=stdout)
