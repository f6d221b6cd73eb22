Feature: Split and union

  Background:
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)

  Scenario: Routes
    @step(name=Route)
      @do   split big when amount > 100, refused when status = 'declined', rest otherwise
    @step(name=Watched, from=Route.big)
      @do   union Route.refused
    @sink(type=blackhole)
    @sink(name=others, type=blackhole, from=Route.rest)

    Examples: the first arm that holds takes the row
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | approved | 101.00 | 2026-01-01T00:00:01Z |
        | c2      | declined | 500.00 | 2026-01-01T00:00:02Z |
        | c3      | declined | 5.00   | 2026-01-01T00:00:03Z |
        | c4      | approved | 5.00   | 2026-01-01T00:00:04Z |
        | c5      |          | 5.00   | 2026-01-01T00:00:05Z |
      Then Route.big is
        | card_id | amount |
        | c1      | 101.00 |
        | c2      | 500.00 |
      And Route.refused is
        | card_id |
        | c3      |
      And Route.rest is
        | card_id |
        | c4      |
        | c5      |
      And Watched is
        | card_id |
        | c1      |
        | c2      |
        | c3      |
