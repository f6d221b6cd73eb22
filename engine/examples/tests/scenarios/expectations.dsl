Feature: Expectations

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)

  Scenario: What must hold
    @step(name=Checked)
      @do   set half = amount / 2
      @then amount < 1000 otherwise reject
      @then status is not null otherwise tag unknown
      @then half >= 1 otherwise alert
    @sink(type=blackhole)
    @sink(name=dead, type=blackhole, from=rejected)

    Examples: a row is rejected, tagged, or only counted
      Given payments
        | card_id | status   | amount  | paid_at              |
        | c1      | approved | 1.00    | 2026-01-01T00:00:01Z |
        | c2      | approved | 1000.00 | 2026-01-01T00:00:02Z |
        | c3      |          | 10.00   | 2026-01-01T00:00:03Z |
      Then Checked is
        | card_id | amount | unknown |
        | c1      | 1.00   | false   |
        | c3      | 10.00  | true    |
      And rejected is
        | reason      | step    | source   | position |
        | expectation | Checked | payments | 2        |
