Feature: Unnest

  Scenario: Words
    @source(name=texts, type=file, path="texts.jsonl", contract=Text@1)
    @step(name=Words)
      @do   unnest words as word with ordinality as place
    @step(name=AllWords, from=texts)
      @do   unnest words as word keep empty
    @sink(type=blackhole, from=Words)
    @sink(name=all, type=blackhole, from=AllWords)

    Examples: one row for each element
      Given texts
        | id | words        |
        | 1  | ["to", "be"] |
        | 2  | []           |
        | 3  |              |
        | 4  | [null, "or"] |
      Then Words is
        | id | word | place |
        | 1  | to   | 1     |
        | 1  | be   | 2     |
        | 4  |      | 1     |
        | 4  | or   | 2     |
      And AllWords is
        | id | word |
        | 1  | to   |
        | 1  | be   |
        | 2  |      |
        | 3  |      |
        | 4  |      |
        | 4  | or   |

Contract: Text version 1
  | field | type         | rules    |
  | id    | int          | required |
  | words | list<string> |          |
