Feature: Contracts

  Scenario: Rows that keep their contract
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)
    @step(name=Amounts)
      @do   select card_id, amount
    @sink(type=blackhole)

    Examples: a row that breaks a rule is rejected
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | approved | 1.00   | 2026-01-01T00:00:01Z |
        | x2      | approved | 1.00   | 2026-01-01T00:00:02Z |
        | c3      | lost     | 1.00   | 2026-01-01T00:00:03Z |
        | c4      | approved | -1.00  | 2026-01-01T00:00:04Z |
        | c5      | approved |        | 2026-01-01T00:00:05Z |
        | c6      |          | 1.00   | 2026-01-01T00:00:06Z |
      Then Amounts is
        | card_id | amount |
        | c1      | 1.00   |
        | c6      | 1.00   |
      And rejected is
        | reason   | source   | position |
        | contract | payments | 2        |
        | contract | payments | 3        |
        | contract | payments | 4        |
        | contract | payments | 5        |

    Examples: a cell that is not of its type rejects its row
      Given payments
        | card_id | status   | amount | paid_at              |
        | c1      | approved | much   | 2026-01-01T00:00:01Z |
        | c2      | approved | 2.00   | yesterday            |
        | c3      | approved | 3.00   | 2026-01-01T00:00:03Z |
      Then Amounts is
        | card_id | amount |
        | c3      | 3.00   |
      And rejected is
        | reason | step     | position |
        | decode | payments | 1        |
        | decode | payments | 2        |

    Examples: positions go on through all rows of a source
      Given payments
        | card_id | amount | paid_at              |
        | c1      | 1.00   | 2026-01-01T00:00:01Z |
        | c2      | much   | 2026-01-01T00:00:02Z |
      And payments
        | card_id | amount | paid_at              |
        | c3      | 1.00   | 2026-01-01T00:00:01Z |
        | x4      | 1.00   | 2026-01-01T00:00:02Z |
      Then rejected is
        | reason   | position |
        | decode   | 2        |
        | contract | 4        |
