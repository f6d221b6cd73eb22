Feature: Files in examples

  Scenario: Rows from files
    @source(name=payments, type=file, path="payments.jsonl", contract=Payment@1)
    @step(name=PerCard)
      @do   aggregate n = count(*), total = sum(amount) by card_id in tumbling(1d)
    @sink(type=blackhole)

    Examples: JSON lines in, a golden file out
      Given payments from file "data/payments.jsonl"
      When the input ends
      Then PerCard is file "data/per_card.jsonl"
      And rejected is
        | reason | position |
        | decode | 3        |

    Examples: CSV in and out
      Given payments from file "data/payments.csv"
      When the input ends
      Then PerCard is file "data/per_card.csv"
      And PerCard contains file "data/per_card_part.csv"
