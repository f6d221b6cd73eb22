Feature: Orders
  What the shop wants to know about its orders while they come in.
  Domain: sales
  Owner: {{name}}

  Background:
    @source(name=orders, type=file, path="data/orders.csv", contract=Order@1, lateness=5m)

  Scenario: Revenue by country
    What each country spends in an hour, as soon as the hour is over.

    @step(name=Paid)
      @when status = 'paid'
    @step(name=Valid, domain=checks, use=Positive, column=amount)
    @step(name=Revenue)
      @do   aggregate sold = count(*), revenue = sum(amount)
              by country
              in tumbling(1h)
    @sink(type=stdout)

    Examples: an hour is reported when it is over
      Given orders
        | order_id | country | status    | amount | ordered_at           |
        | 1        | CA      | paid      | 20.00  | 2026-01-01T10:05:00Z |
        | 2        | CA      | paid      | 5.50   | 2026-01-01T10:59:59Z |
        | 3        | CA      | cancelled | 99.00  | 2026-01-01T10:30:00Z |
        | 4        | FR      | paid      | 8.00   | 2026-01-01T11:00:00Z |
      When the watermark of orders reaches 2026-01-01T11:00:00Z
      Then Revenue is
        | country | sold | revenue | window_start         |
        | CA      | 2    | 25.50   | 2026-01-01T10:00:00Z |
      And rejected is empty

    Examples: an order without an amount is rejected
      Given orders
        | order_id | country | status | amount | ordered_at           |
        | 1        | CA      | paid   | 0.00   | 2026-01-01T10:05:00Z |
      When the input ends
      Then Revenue is empty
      And rejected is
        | reason      | step  |
        | expectation | Valid |
