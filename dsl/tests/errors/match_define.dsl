Feature: Payments
  Scenario: A mistake
    @source(name=payments, type=file, path="payments.jsonl")
    @step(name=A)
      @do   match small then large define small as amount < 1
    @sink(type=stdout)
