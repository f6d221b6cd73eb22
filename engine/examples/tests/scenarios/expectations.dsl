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

  Scenario: What must hold of windows
    @step(name=Watched)
      @when amount > 0
      @then share of status is null < 50% over 1m otherwise alert
      @then at least 2 rows per 1m
      @then amount < 1000 otherwise reject
      @then share of 10 / amount > 2 < 100% over 1h otherwise alert
    @sink(type=blackhole)

    Examples: nothing happens to the rows, late ones among them
      Given payments
        | card_id | status   | amount  | paid_at              |
        | c1      | approved | 1.00    | 2026-01-01T00:00:01Z |
        | c2      |          | 2.00    | 2026-01-01T00:00:02Z |
      When the watermark of payments reaches 2026-01-01T00:05:00Z
      Given payments
        | card_id | status   | amount  | paid_at              |
        | c3      |          | 3.00    | 2026-01-01T00:00:03Z |
        | c4      |          | 0.00    | 2026-01-01T00:07:00Z |
        | c5      | approved | 2000.00 | 2026-01-01T00:07:00Z |
      When the input ends
      Then Watched is
        | card_id | amount |
        | c1      | 1.00   |
        | c2      | 2.00   |
        | c3      | 3.00   |
      And rejected is
        | reason      | step    |
        | expectation | Watched |
