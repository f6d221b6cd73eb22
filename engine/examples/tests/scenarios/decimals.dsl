Feature: Decimals

  Scenario: Sums are exact
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)
    @step(name=PerCard)
      @do   aggregate total = sum(amount), mean = avg(amount), low = min(amount), high = max(amount)
              by card_id
              in tumbling(1d)
              having total > 0.30
    @sink(type=blackhole)

    Examples: three dimes and a bit
      Given payments
        | card_id | amount | paid_at              |
        | c1      | 0.10   | 2026-01-01T00:00:01Z |
        | c1      | 0.2    | 2026-01-01T00:00:02Z |
        | c1      | 0.01   | 2026-01-01T00:00:03Z |
        | c2      | 0.10   | 2026-01-01T00:00:04Z |
        | c2      | 0.20   | 2026-01-01T00:00:05Z |
        | c3      | 7      | 2026-01-01T00:00:06Z |
      When the input ends
      Then PerCard is
        | card_id | total | mean     | low  | high |
        | c1      | 0.31  | 0.103333 | 0.01 | 0.2  |
        | c3      | 7     | 7        | 7.00 | 7.0  |
