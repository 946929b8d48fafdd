"""What a month brought: quality, cost, calls, savings, budgets, runs and promotions, as a page and as JSON.

`facts` has what is told, each part gathered by a module of its own: `calls`, `quality`, `savings`, `budgets`. `page`
says it in words and pictures, `service` writes both files. It holds names and numbers, and nothing of any example.
"""
